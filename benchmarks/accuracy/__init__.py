"""How well it finds and sorts, measured on exposures that nothing was chosen on."""
