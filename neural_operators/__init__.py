"""What the answer is made of when it is a network: value functions from small parts."""

from ._value_network import ValueNetwork as ValueNetwork
