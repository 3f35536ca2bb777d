"""The ground floor: code that several rooms use and none owns. It imports no room."""
