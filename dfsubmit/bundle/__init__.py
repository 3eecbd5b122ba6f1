"""From a model folder to the leaderboard: package, rehearse, submit, remember.

| command | begins in | which uses |
|---|---|---|
| package | `packaging` | `wheels`, `notebooks`, `pins`, `checks` (`plugincode`), `manifest` |
| rehearse | `rehearsal` | `upload`, `environment`, `sandbox` (`kernelrun`), `outcome`, `report` |
| submit | `sending` | `evidence`, `client` (`client2025`), `ledger` |
| ledger | `ledger` | `experiment` |

Both contracts, "task" (2025) and "predict" (aifactory 3.x), are described in ``submit/README.md``.
"""
