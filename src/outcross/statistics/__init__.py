"""What is computed of records and of counts, whoever asks: metrics, aspects of an audit, or definitions."""
