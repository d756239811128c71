"""What Lambda Cloud offers and what of it is rented."""
