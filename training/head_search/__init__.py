"""The search over heads: search space, tuners, batched training, resuming, leaderboard."""
