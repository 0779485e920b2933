"""Program groups as processes: started, found, stopped, killed and proven dead."""
