"""Statistics of records and of counts, which are used by the measures of runs and audits and by the definitions of collapse."""
