"""The verbs: the questions that Outcross answers. Each larger verb has a folder of its own."""
