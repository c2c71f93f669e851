"""What a larger data set costs, and what gives way first: `make scale` writes docs/scale.md.

`simulation` runs our bookkeeping and DVC's over shards that hold next to nothing. `cost` measures
what a clip costs and works out larger sets from it. `page.md` is the page around both.
"""
