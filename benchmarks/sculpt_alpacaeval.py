"""The students of published teachers: the part of sculpt.py that reads the AlpacaEval pool.

python benchmarks/sculpt_alpacaeval.py
"""

import sculpt

if __name__ == "__main__":
    sculpt.main("1", "alpacaeval")
