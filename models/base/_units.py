"""Factors between the units of the models and the units of reported results."""

CO2_PER_CARBON = 44.0 / 12.0  # tonnes of CO2 per tonne of carbon, from the molar masses 44 and 12 g/mol
USD_PER_TONNE = 1000.0  # US$ per tonne in one trillion US$ per Gt
USD_PER_TCO2 = USD_PER_TONNE / CO2_PER_CARBON  # US$ per tonne of CO2 in one trillion US$ per GtC
