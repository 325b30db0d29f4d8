"""The verb `mix`: build a training set out of human and synthetic pools.

`asked` reads the mix file, `pools` opens and scans the pools, `plan` compares the request with the supply, `draws` chooses the rows, `rows` and
`manifest` write them. `mixing` holds these values of one mix, and `work`
makes it a step of a ledger. The parts of a mix file that need more have folders of their own: `filtering`,
`targets`, `splits` and `search`, each with its settings. `finished` answers questions about mixes that exist.
"""
