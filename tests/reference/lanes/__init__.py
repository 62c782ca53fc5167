"""The references over many lanes at once, in NumPy: one module an environment, named as its spec.

As slow and obvious as a million transitions allow: a state is a row of numbers, every answer is
computed anew from it. Written from specs/envs, not from the code that it judges.
"""
