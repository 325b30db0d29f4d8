"""What is computed of records and of counts, whoever asks: measures of a run or of an audit, or definitions of collapse."""
