"""From a model folder to the leaderboard: package, rehearse, submit, remember.

`packaging` builds a bundle (a folder that the competition's client can send), `rehearsal` runs it
under the server's rules, `client` sends it, `ledger` keeps what was sent and how it scored. Both
contracts, "task" (2025) and "predict" (aifactory 3.x), are described in ``submit/README.md``.
"""
