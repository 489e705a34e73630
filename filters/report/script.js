// What the page does beyond showing itself: it sorts and filters the cases, adds columns, and brings pictures in when they
// come into view.  Figures are not computed here; the cells of all columns stand in the element #data.
"use strict";

const element = (id) => document.getElementById(id);
const table = element("table");
const body = table.tBodies[0];
const rows = Array.from(body.rows);             // as the file has them: row i is cell i of each column
const columns = JSON.parse(element("data").textContent);
const columnNamed = (name) => columns.find((column) => column.name === name);
const caseNames = columnNamed("case").cells;

// ---- pictures ----

const pictures = new Map();                     // row number: the element with the picture's bytes
for (const script of document.querySelectorAll("script[type='image/png']"))
	pictures.set(Number(script.dataset.row), script);
const pictureAddress = (i) => "data:image/png;base64," + pictures.get(i).textContent;

function showPicture(i) {
	const img = rows[i].querySelector("img");
	if (!img || img.src)
		return;
	img.src = pictureAddress(i);
	img.alt = "image, contours and uncertainty";
}

const nearby = new IntersectionObserver((entries) => {
	for (const entry of entries) {
		if (!entry.isIntersecting)
			continue;
		nearby.unobserve(entry.target);
		showPicture(rows.indexOf(entry.target));
	}
}, { rootMargin: "1000px" });

// A picture is a button that shows it large.
rows.forEach((row, i) => {
	const img = row.querySelector("img");
	if (!img)
		return;
	const button = document.createElement("button");
	button.type = "button";
	button.setAttribute("aria-label", "Pictures of " + caseNames[i] + ", larger");
	img.replaceWith(button);
	button.append(img);
	button.addEventListener("click", () => enlarge(i));
	nearby.observe(row);
});

// ---- one case, large ----

let enlarged = 0;
const visibleRows = () => Array.from(body.rows).filter((row) => !row.hidden && row.querySelector("img"));

function enlarge(i) {
	enlarged = i;
	const row = rows[i];
	const cells = Array.from(row.querySelectorAll("[data-label]"), (cell) => cell.dataset.label + " " + cell.textContent);
	const remarks = row.querySelector(".remarks").textContent.trim();
	element("large-name").textContent = caseNames[i];
	element("large-text").textContent = cells.concat(remarks || []).join(", ");
	element("large-picture").src = pictureAddress(i);
	element("large-picture").alt = "image, contours and uncertainty of " + caseNames[i];
	const shown = visibleRows();
	element("previous").disabled = row === shown[0];
	element("next").disabled = row === shown[shown.length - 1];
	if (!element("large").open)
		element("large").showModal();
}

function step(by) {
	const shown = visibleRows();
	const row = shown[shown.indexOf(rows[enlarged]) + by];
	if (row)
		enlarge(rows.indexOf(row));
}
element("previous").addEventListener("click", () => step(-1));
element("next").addEventListener("click", () => step(1));
element("large").addEventListener("keydown", (event) => {
	if (event.key === "ArrowLeft" || event.key === "ArrowRight")
		step(event.key === "ArrowLeft" ? -1 : 1);
});
element("large").addEventListener("close", () => rows[enlarged].querySelector("button").focus());

// ---- sorting ----

const order = { column: "rank", down: false };  // rank: the order of the file

function numberOf(cell) {
	if (/^[-+]?inf/i.test(cell))
		return cell[0] === "-" ? -Infinity : Infinity;
	return cell === "" || cell === "-" ? NaN : Number(cell);        // NaN: nan, NA
}

// Row numbers in order; cells that are not there come last, equal ones keep the order of the file.
function sortedRows(name, down) {
	const numbers = rows.map((row, i) => i);
	if (name === "rank")
		return down ? numbers.reverse() : numbers;
	const column = columnNamed(name);
	const keys = column.text ? column.cells : column.cells.map(numberOf);
	const missing = (i) => column.text ? keys[i] === "-" : Number.isNaN(keys[i]);
	const collator = new Intl.Collator("en", { numeric: true });
	const compare = column.text ? (a, b) => collator.compare(a, b) : (a, b) => (a > b) - (a < b);
	return numbers.sort((a, b) => missing(a) - missing(b) || (missing(a) ? 0 : compare(keys[a], keys[b]) * (down ? -1 : 1)) || a - b);
}

function sortBy(name, down) {
	order.column = name;
	order.down = down;
	if (name !== "rank" && !headOf(name))
		addColumn(name);
	body.append(...sortedRows(name, down).map((i) => rows[i]));
	for (const th of table.tHead.rows[0].cells) {
		if (th.dataset.column === name)
			th.setAttribute("aria-sort", down ? "descending" : "ascending");
		else
			th.removeAttribute("aria-sort");
	}
	element("sort").value = name;
	element("direction").textContent = down ? "\u2193 high first" : "\u2191 low first";
	if (name === "rank")
		element("direction").textContent = down ? "\u2193 surest first" : "\u2191 most doubtful first";
	else if (columnNamed(name).text)
		element("direction").textContent = down ? "\u2193 Z first" : "\u2191 A first";
	tell();
}

// The first click on a column of numbers shows the high ones first, on any other the low ones.
function sortOrTurn(name) {
	const numbers = name !== "rank" && !columnNamed(name).text;
	sortBy(name, order.column === name ? !order.down : numbers);
}

// ---- columns ----

const headOf = (name) => Array.from(table.tHead.rows[0].cells).find((th) => th.dataset.column === name);

function makeSortable(th) {
	const button = document.createElement("button");
	button.type = "button";
	th.dataset.title = th.textContent;
	button.append(...th.childNodes);
	th.append(button);
	button.addEventListener("click", () => sortOrTurn(th.dataset.column));
}

function shortNumber(cell) {
	const value = numberOf(cell);
	if (Number.isNaN(value))
		return "\u2013";
	if (!Number.isFinite(value))
		return cell;
	return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

function addColumn(name) {
	const column = columnNamed(name);
	const head = document.createElement("th");
	head.scope = "col";
	head.dataset.column = name;
	for (const part of name.split(/(?<=[_.:-])/))
		head.append(part, document.createElement("wbr"));
	head.title = column.words;
	head.className = column.text ? "" : "number";
	makeSortable(head);
	table.tHead.rows[0].append(head);
	rows.forEach((row, i) => {
		const cell = row.insertCell();
		cell.className = column.text ? "text" : "number";
		cell.dataset.label = name;
		cell.textContent = column.text ? column.cells[i] : shortNumber(column.cells[i]);
	});
	table.style.setProperty("--columns", table.style.getPropertyValue("--columns") + " minmax(6.5rem, 9rem)");
	element("columns").querySelector("input[value='" + CSS.escape(name) + "']").checked = true;
}

function removeColumn(name) {
	const place = headOf(name).cellIndex;
	for (const row of [table.tHead.rows[0], ...rows])
		row.deleteCell(place);
	table.style.setProperty("--columns", table.style.getPropertyValue("--columns").replace(/ minmax\(6.5rem, 9rem\)$/, ""));
	if (order.column === name)
		sortBy("rank", false);
}

// ---- filter ----

function filter() {
	const words = element("find").value.toLowerCase().split(/\s+/).filter(Boolean);
	const flaggedOnly = element("flagged").checked;
	rows.forEach((row, i) => {
		const text = (caseNames[i] + " " + row.querySelector(".remarks").textContent).toLowerCase();
		row.hidden = (flaggedOnly && !row.classList.contains("flagged")) || !words.every((word) => text.includes(word));
	});
	tell();
}

// What is shown, on the screen and on paper.
function tell() {
	const shown = rows.filter((row) => !row.hidden).length;
	const by = order.column === "rank" ? "doubt" : order.column;
	const text = shown === rows.length ? "All " + rows.length + " cases" : shown + " of " + rows.length + " cases";
	element("status").textContent = text + ", sorted by " + by + ", " + element("direction").textContent.slice(2) + ".";
}

// ---- begin ----

for (const th of table.tHead.rows[0].cells)
	if (th.dataset.column)
		makeSortable(th);
element("sort").append(new Option("doubt", "rank"), ...columns.map((column) => new Option(column.name, column.name)));
for (const column of columns) {
	if (headOf(column.name))
		continue;
	const label = document.createElement("label");
	const box = document.createElement("input");
	box.type = "checkbox";
	box.value = column.name;
	box.addEventListener("change", () => box.checked ? addColumn(column.name) : removeColumn(column.name));
	label.append(box, " " + column.name);
	label.title = column.words;
	element("columns").append(label);
}
element("sort").addEventListener("change", () => sortBy(element("sort").value, false));
element("direction").addEventListener("click", () => sortBy(order.column, !order.down));
element("find").addEventListener("input", filter);
element("flagged").addEventListener("change", filter);
element("tools").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("beforeprint", () => rows.forEach((row, i) => row.hidden || showPicture(i)));
element("tools").hidden = false;
sortBy("rank", false);
