"""Pictures made of pictures: `figures` of patches, and `atlas`, one HTML file to leaf through."""
