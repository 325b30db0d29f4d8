"""Statistics of records and of counts, which are used by the measures of runs and audits and by the definitions of collapse.

- Null distributions and tests: `floors`, `holm`, `sign_flip`, `false_alarms`.
- Shares, rates and ratios with intervals: `rates`, `ratios`, `clusters` (of things in clusters), `beyond`, `categories`, `location`, `tail_index`.
- Counts in bounded memory, repetitions and variety: `sketches`, `repeats`, `kinds`, `variety`.
- Points: `embedding`, `neighbours`, `likeness`, `density_ratio`.
- Columns together: `associations`, `prediction`, `dynamics`.
- Regions of records: `facets` divides columns, `scan` searches boxes, `regions` proposes and tests them, `suspects` names single records.
- Training on two sources: `trials`, `share_curves`, `simplex` and `mixing_law` (shares of pools), `frontier`.
- Sets with two authors: `two_sources`, `mixture_fit`.
- For pages and filters: `portraits` (columns drawn), `verification` (error rates of a verifier), `cells` (a reparation), `grouped` (tied values).
"""
