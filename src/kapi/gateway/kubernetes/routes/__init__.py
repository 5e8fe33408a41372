"""Rules of HTTPRoutes and GRPCRoutes: paths, backends, filters, and what the policies add. Pure."""
