"""The ground floor: what every room stands on and no room owns. It imports none of them."""
