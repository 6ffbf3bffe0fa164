"""Rule packs that come with the product: data, read by validation/services/packs.py."""
