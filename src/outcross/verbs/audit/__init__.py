"""What has this data lost, compared with human data?

`question` is what is asked, `sets` the data, `work` audits one set (`plan` reads its columns, `judgement` gives the verdicts, `scored` and `needs` name
records), `steps` stores that audit in a ledger under the recipe `asked`, and `several` and `answer` audit several sets or `generations`. A `check` is one
reading with its verdict, `result` holds all of them, and `stored` reads them back. `gates`, `baseline` and `notices` serve continuous integration.
`phrases` and `sentences` put an audit into words; `screen`, `scorecard`, `losses`, `page` and `figures` show it, `progress` shows how far it is, and
`rankings` and `enough` compare sets and say how many records would tell.
"""
