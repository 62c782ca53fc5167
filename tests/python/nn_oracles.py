"""Layers of twisterl.nn again, in NumPy and float64, by the names of their weights."""

import numpy as np

FUNCTIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "identity": lambda x: x,
    "squared_relu": lambda x: np.maximum(x, 0) ** 2,
}


def weights_of(module):
    """The state dict as float64 arrays."""
    return {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}


def below(weights, name):
    """The weights of the part `name`."""
    return {key[len(name) + 1 :]: w for key, w in weights.items() if key.startswith(f"{name}.")}


def linear(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0)


def layer_norm(weights, name, x):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def attention(w, num_heads, q, kv, padding=None, forbidden=None):
    """Head by head and row by row."""
    (wq, wk, wv), (bq, bk, bv) = (np.split(w[f"in_proj_{kind}"], 3) for kind in ("weight", "bias"))
    q, k, v = q @ wq.T + bq, kv @ wk.T + bk, kv @ wv.T + bv
    size = q.shape[-1] // num_heads
    told = np.zeros_like(q)
    for b in range(len(q)):
        for head in range(num_heads):
            own = slice(head * size, (head + 1) * size)
            scores = q[b, :, own] @ k[b, :, own].T / np.sqrt(size)
            if padding is not None:
                scores = np.where(padding[b], -np.inf, scores)
            if forbidden is not None:
                scores = np.where(forbidden, -np.inf, scores)
            told[b, :, own] = softmax(scores) @ v[b, :, own]
    return linear(w, "out_proj", told)


def skip(w, kind, place, x, y):
    if kind == "cat":
        return linear(w, f"narrow.{place}", np.concatenate((x, y), -1))
    return x + y if kind == "residual" else y


def feedforward(w, kind, function, x, y):
    """A SequentialSkipConnection with the block of an attention."""
    y = skip(w, kind, 0, x, y)
    inner = linear(w, "blocks.0.1", layer_norm(w, "blocks.0.0", y))
    return skip(w, kind, 1, y, linear(w, "blocks.0.4", FUNCTIONS[function](inner)))


def cross(w, heads, kind, function, q, kv, *masks):
    told = attention(
        below(w, "attention"), heads, layer_norm(w, "q_norm", q), layer_norm(w, "kv_norm", kv),
        *masks,
    )  # fmt: skip
    return feedforward(below(w, "skip"), kind, function, q, told)


def own(w, heads, kind, function, x, *masks):
    normal = layer_norm(w, "norm", x)
    told = attention(below(w, "attention"), heads, normal, normal, *masks)
    return feedforward(below(w, "skip"), kind, function, x, told)


def stack(w, num_layers, is_shared, heads, kind, function, x, *masks):
    for place in range(num_layers):
        part = below(w, f"layers.{0 if is_shared else place}")
        x = own(part, heads, kind, function, x, *masks)
    return x


def recurrent(w, kind, x, parts, nonlinearity="tanh"):
    """Outputs [T, H] and the state [parts, L, H] after inputs x [T, D], by torch's equations."""
    sigmoid, parts = FUNCTIONS["sigmoid"], parts.copy()
    told = []
    for y in x:
        for layer in range(parts.shape[1]):
            h = parts[0, layer]
            entered = y @ w[f"weight_ih_l{layer}"].T + w.get(f"bias_ih_l{layer}", 0)
            recalled = h @ w[f"weight_hh_l{layer}"].T + w.get(f"bias_hh_l{layer}", 0)
            if kind == "lstm":
                i, f, g, o = np.split(entered + recalled, 4)
                c = sigmoid(f) * parts[1, layer] + sigmoid(i) * np.tanh(g)
                parts[1, layer], y = c, sigmoid(o) * np.tanh(c)
            elif kind == "gru":
                (r, z, n), (hr, hz, hn) = np.split(entered, 3), np.split(recalled, 3)
                z, n = sigmoid(z + hz), np.tanh(n + sigmoid(r + hr) * hn)
                y = (1 - z) * n + z * h
            else:
                y = FUNCTIONS[nonlinearity](entered + recalled)
            parts[0, layer] = y
        told.append(y)
    return np.array(told), parts


def potentials_dot(name, p, s, h, tau, kappa, capacity):
    d = h - p
    if name == "pd_linear":
        change = s + d
    elif name == "pd_cubic":
        change = s + d + kappa * d**3
    elif name.startswith("pd_capacity_21"):
        share = np.abs(d) / capacity
        change = s - d * (1 - (share if name.endswith("abs") else share**2))
    elif name.endswith("abs"):
        change = s + d * (1 - np.abs(d) / capacity) * (1 - 2 * np.abs(d) / capacity)
    else:
        change = s + d * (1 - d**2 / capacity**2) * (1 - (2 * d) ** 2 / capacity**2)
    return change / tau
