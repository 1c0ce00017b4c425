"""How a model is made: a pure PyTorch training engine built on `models_registry.inference`.

To read it from the outside to the inside:

1. `options`, `config`: what a run may be told, and the recipe for what it is not told.
2. `data`, `augment`: scans as arrays, balanced batches, random changes; `contact`: what comes of them, to look at.
3. `fit`: one network from the first epoch to the last. Start here if you read one module.
4. `loop`, `caching`: one epoch, its steps and its validation; the frozen phase on cached features.
5. `setting`, `state`: what stays and what changes in a run; `checkpoint`: the state as bytes, for an exact resume.
6. `setup`, `weights`, `device`: the first weights, and the machine. `schedule`, `ranking`: rates, and which epoch wins.
7. `group`, `sharing`: several processes that train one network together, and what they share.
8. `ensemble`, `folds`, `series`: several networks and a cross-validation as one run.
9. `calibrating`, `crossfit`, `grouping`, `package`: from weights to a calibrated bundle.
10. `doubts`, `ordering`: which labels are doubtful, which scans to label next.
"""
