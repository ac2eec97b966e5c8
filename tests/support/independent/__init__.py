"""
Two code bases that nobody of this project's backends had a part in, each with an adapter made from the kit.

They were written from the description of the network and from the kit's page, import nothing of this project, and are
copied into a checkout of their own before they are asked. So the kit, its page and the ladder are tried on code that
can be wrong by itself, which answers that were made beforehand cannot be. It was: in the first draft of one the ladder
found that `torch.polar` has the gradient of a positive amplitude, whatever its sign.
"""
