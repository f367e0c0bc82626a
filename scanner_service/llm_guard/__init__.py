"""A `scanners.yml` of LLM Guard as a configuration of ours."""
