"""What is made of pictures, for people to look at.

`figures` of patches; `curves` of J beside a picture. Two pages, each one HTML file: the `atlas`
of a network's units, to leaf through, and the `report` of a transfer; `page` is what they share.
"""
