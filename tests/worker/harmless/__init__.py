"""Work that does no harm, for a real worker unit: it sleeps, or it kills its own process."""
