"""How small can a student of published teachers be?

The AlpacaEval pool of ../shared/data has the answers of published models to the same prompts. On half of the prompts an arm chooses the answer of a
random model (*random*), of the single model with the highest mean MTLD (*single*; MTLD is a measure of the variety of words), or of the model with the
highest MTLD for each prompt (*best*); in *mixed*, half of the records are these last answers and half are human answers. Students are n-gram models of
orders 1 to 5, with ten seeds, on the same number of blocks of 64 tokens. The goal is the MTLD of the text that they write, and the loss is that of human
answers to the other half of the prompts. This pool has no question with an exact check, so that only these two readings decide. Intervals are t over
seeds. The sentences below name, for each way to choose, the smallest student that equals the largest student on random data.

    python benchmarks/sculpt_alpacaeval.py
"""

import os
import time

from figures import write
from sculpt import pool

if __name__ == "__main__":
    load, start = os.getloadavg(), time.perf_counter()
    write("sculpt_alpacaeval", __doc__ or "", load, pool() | {"seconds": time.perf_counter() - start})
