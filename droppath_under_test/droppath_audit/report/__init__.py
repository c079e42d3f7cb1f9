"""Writers over a report: one file a format, each knowing ``core`` alone."""
