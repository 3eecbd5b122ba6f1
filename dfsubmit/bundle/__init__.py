"""From a model folder to the leaderboard: package, rehearse, submit, record.

- package: `packaging`, with `wheels`, `notebooks`, `pins`, `checks`, `manifest`;
- rehearse: `rehearsal`, with `upload`, `environment`, `sandbox` (`kernelrun`, `confinement`,
  `network`, `watching`), `outcome` and `report`;
- submit: `sending`, with `evidence`, `client` (`client2025`) and `ledger`;
- ledger: `ledger`, with `experiment`;
- all of them: `keys` (what must not be sent or kept), `variables` (what children are given),
  `state` (the user's own folder), `markdown`.

Both contracts, "task" (2025) and "predict" (aifactory 3.x), are described in ``submit/README.md``.
"""
