"""The audit log: one event for each decision, without the text that was decided about."""
