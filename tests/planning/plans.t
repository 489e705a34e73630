# plan equals stock nnU-Net's planners on random fingerprints (its results are in stock.jsonl): every planner and configuration,
# memory targets, target spacings; what it leaves beside the plans, and what it refuses.
exec /usr/bin/python3 "$TESTS/planning/plans.py"
