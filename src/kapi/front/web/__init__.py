"""HTTP fronts: the system APIs of the control process, the provider of the identity workers."""
