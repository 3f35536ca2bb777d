"""Pictures that were judged wrongly and came back: kept as a regression set, scored again."""
