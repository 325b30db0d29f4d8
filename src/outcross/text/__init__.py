"""The words of texts: counted, and what they are like."""
