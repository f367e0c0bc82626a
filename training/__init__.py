"""From labelled text to the shipped guard model: one module per stage, `python -m training --help`."""
