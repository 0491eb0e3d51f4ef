"""How fast, beside a floor that is measured in the same minute. `make bench` runs all, `python -m bench.webhooks` one.

A figure alone says more about the machine than about us, so every figure is a ratio: ours to the least that anybody
would need for the same. Runs are interleaved and their medians are compared. The goals are ours: half of that floor or
better, where the nearest Python call centre that we measured once reached a tenth of it.
"""
