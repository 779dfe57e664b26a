"""What every process does beside its role: announce due work, end lost leases, delete what is over."""
