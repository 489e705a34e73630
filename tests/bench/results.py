"""The measurements of make bench-peer as a table, a row each: part, subject, variant, measure, value."""

COLUMNS = ['part', 'subject', 'variant', 'measure', 'value']


class Results:
    """Rows by part, subject, variant and measure, in the order in which they came."""

    def __init__(self):
        self.row = {}

    def add(self, part, subject, variant, **measures):
        for measure, value in measures.items():
            self.row[part, subject, variant, measure] = f'{value:.6g}' if isinstance(value, float) else str(value)

    def get(self, part, subject, variant, measure):
        return self.row.get((part, subject, variant, measure), '')

    def number(self, part, subject, variant, measure):
        text = self.get(part, subject, variant, measure)
        return float(text) if text else None

    def subjects(self, part):
        return [*dict.fromkeys(k[1] for k in self.row if k[0] == part)]

    def variants(self, part, subject):
        """All but 'run', which has when and where the subject was measured."""
        return [*dict.fromkeys(k[2] for k in self.row if k[:2] == (part, subject) and k[2] != 'run')]

    def begin(self, part, subject, about):
        """What was measured of the subject before is forgotten."""
        self.row = {k: v for k, v in self.row.items() if k[:2] != (part, subject)}
        self.add(part, subject, 'run', about=about)


def load(path):
    results = Results()
    try:
        with open(path) as f:
            head = f.readline().rstrip('\n').split('\t')
            if head != COLUMNS:
                raise SystemExit(f'{path}: the first line is not {COLUMNS}')
            for number, line in enumerate(f, 2):
                cells = line.rstrip('\n').split('\t')
                if len(cells) != len(COLUMNS):
                    raise SystemExit(f'{path}: line {number} has {len(cells)} columns')
                results.row[tuple(cells[:4])] = cells[4]
    except FileNotFoundError:
        pass
    return results


def save(results, path):
    with open(path, 'w') as f:
        print(*COLUMNS, sep='\t', file=f)
        for key, value in results.row.items():
            print(*key, value, sep='\t', file=f)
