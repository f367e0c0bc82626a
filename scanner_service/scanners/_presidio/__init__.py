"""What kind `pii` puts between itself and presidio-analyzer: offline, bounded in time, without a language model."""
