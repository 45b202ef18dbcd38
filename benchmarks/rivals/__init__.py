"""What the hub is compared with, each written as somebody would who knows the framework well."""
