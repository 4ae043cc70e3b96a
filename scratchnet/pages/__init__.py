"""What is made of pictures, for people to look at.

`figures` of patches; `curves` of J beside a picture. Pages of HTML: the `atlas` of a network's
units to leaf through, in one file or a folder (`atlas_folder`), its pictures drawn by `atlas_units`
and laid out in `sheets`; `look`, what it sees in one picture; the `report` of a transfer; `page` is
what they share.
"""
