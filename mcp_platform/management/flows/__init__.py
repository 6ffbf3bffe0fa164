"""What `manage.py flow` is made of."""
