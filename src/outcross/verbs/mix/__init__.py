"""The verb `mix`: build a training set out of human and synthetic pools.

`question` names the mix file, and `asked` reads it. `pools` opens and scans the pools (`apart` in several processes, `samples` in part, for a plan),
`provenance` gives every row its columns of origin, and `canonical` its digest. `plan` compares the request with the supply, `draws` chooses the rows,
`weights` weighs them, and `rows` and `manifest` write and count them; `door` audits the result. `mixing` holds these values of one mix, `work` makes it a
step of a ledger, and `answer`, `result` and `screen` are the function, its result and its lines on a terminal. The parts of a mix file that need more
have packages of their own: `filtering`, `targets`, `splits` and `search`, each with its settings. `finished` answers questions about mixes that exist.
"""
