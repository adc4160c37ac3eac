"""A text classifier: what does a customer's message ask for?

Data: generated here. Each class has sentence patterns and words to fill them with; fillers,
politeness, typing errors and case vary at random. The held-out messages use patterns that the
training messages never use, so the classifier has to go by its words.
Model: TF-IDF over words and word pairs, then logistic regression; strings go in, the ONNX graph
tokenises them itself.
"""

import random
from itertools import product

import numpy as np
import onnx
from skl2onnx import to_onnx
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from examples.train.layout import write_held_out, write_model

CONFIG = """\
name: "tickets"
platform: "onnxruntime_onnx"
max_batch_size: 32
input [ { name: "text" data_type: TYPE_STRING dims: [ 1 ] } ]
output [
  { name: "label" data_type: TYPE_INT64 dims: [ 1 ] reshape: { shape: [ ] } },
  { name: "probabilities" data_type: TYPE_FP32 dims: [ 5 ] label_filename: "labels.txt" }
]
dynamic_batching { }
"""

# class -> (patterns to train on, patterns held out, words for {a}, words for {b})
CLASSES: dict[str, tuple[list[str], list[str], list[str], list[str]]] = {
    "billing": (
        [
            "i was charged {a} for {b}",
            "why is there {a} on my {b}",
            "please refund the {a} on {b}",
            "my {b} shows {a} that i did not order",
            "there is a {a} on the {b} that looks wrong",
        ],
        ["the {b} lists {a} and i want my money back", "i do not understand the {a} on this {b}"],
        ["a double charge", "an extra fee", "twice the price", "a payment", "the wrong amount"],
        ["invoice", "credit card statement", "last bill", "monthly invoice", "receipt"],
    ),
    "delivery": (
        [
            "my {a} has not arrived {b}",
            "where is my {a}, it is {b}",
            "the {a} was due but is {b}",
            "tracking says my {a} is {b}",
            "the courier left my {a} {b}",
        ],
        ["i am still waiting for the {a}, {b}", "can you find out why the {a} is {b}"],
        ["parcel", "order", "package", "shipment", "delivery"],
        ["late", "lost", "still in the warehouse", "at the wrong address", "days overdue"],
    ),
    "account": (
        [
            "i cannot {a} because of my {b}",
            "how do i {a} with a new {b}",
            "please help me {a}, the {b} fails",
            "i want to {a} and change my {b}",
            "it will not let me {a}, it says {b} unknown",
        ],
        ["the site refuses my {b} when i try to {a}", "my {b} is not accepted so i cannot {a}"],
        ["log in", "sign in", "reset my password", "open my profile", "unlock my account"],
        ["email address", "password", "username", "phone number", "login code"],
    ),
    "technical": (
        [
            "the {a} shows {b} when i start it",
            "after the update the {a} has {b}",
            "the {a} keeps giving {b}",
            "i get {b} each time the {a} opens",
            "your {a} ends with {b} on my computer",
        ],
        ["since yesterday the {a} only gives me {b}", "what does {b} in the {a} mean"],
        ["app", "program", "website", "mobile app", "desktop software"],
        ["an error message", "a blank screen", "a crash", "a frozen page", "error code 500"],
    ),
    "cancel": (
        [
            "i want to cancel my {a} {b}",
            "please end my {a} {b}",
            "stop my {a} {b}, i no longer need it",
            "how can i terminate the {a} {b}",
            "do not renew my {a}, close it {b}",
        ],
        ["we have decided to leave, please close our {a} {b}", "kindly cancel the {a} {b}"],
        ["subscription", "contract", "membership", "plan", "trial"],
        ["today", "at the end of the month", "right away", "before it renews", "as of next week"],
    ),
}
# ONNX's tokeniser takes one expression without look-around; this one fits both sides.
WORD = "[a-zA-Z0-9]+"
OPENINGS = ["", "", "hello, ", "hi there, ", "dear team, ", "good morning, "]
CLOSINGS = ["", "", " please help", ", thank you", " - this is urgent", ", what can i do?"]


def mistype(text: str, rng: random.Random) -> str:
    """Sometimes swaps two letters, drops one, or shouts."""
    if rng.random() < 0.25:
        at = rng.randrange(1, len(text) - 2)
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if rng.random() < 0.15:
        at = rng.randrange(1, len(text) - 1)
        text = text[:at] + text[at + 1 :]
    return text.upper() if rng.random() < 0.05 else text


def messages(*, held_out: bool, rng: random.Random) -> tuple[list[str], np.ndarray]:
    """All pattern and word combinations of every class, each dressed up once."""
    texts: list[str] = []
    classes: list[int] = []
    for index, (seen, unseen, a_words, b_words) in enumerate(CLASSES.values()):
        for pattern, a, b in product(unseen if held_out else seen, a_words, b_words):
            sentence = rng.choice(OPENINGS) + pattern.format(a=a, b=b) + rng.choice(CLOSINGS)
            texts.append(mistype(sentence, rng))
            classes.append(index)
    return texts, np.array(classes)


def use_the_plain_locale(model: onnx.ModelProto) -> None:
    """Lower-casing asks for a locale by name, en_US by default; only "C" is on every machine."""
    for node in model.graph.node:
        if node.op_type == "StringNormalizer":
            kept = [attribute for attribute in node.attribute if attribute.name != "locale"]
            del node.attribute[:]
            node.attribute.extend([*kept, onnx.helper.make_attribute("locale", "C")])


def train() -> str:
    """Trains, writes, and says how well it does on what it never saw."""
    rng = random.Random(7)
    texts, classes = messages(held_out=False, rng=rng)
    held_texts, held_classes = messages(held_out=True, rng=rng)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=WORD, min_df=2)
    model = make_pipeline(vectorizer, LogisticRegression(C=20, max_iter=1000))
    model.fit(np.array(texts), classes)
    accuracy = model.score(np.array(held_texts), held_classes)
    exported = to_onnx(
        model,
        initial_types=[("text", StringTensorType([None, 1]))],
        options={"zipmap": False},
        target_opset={"": 17, "ai.onnx.ml": 3},
    )
    use_the_plain_locale(exported)
    write_model("tickets", exported, CONFIG, list(CLASSES))
    write_held_out("tickets", held_texts, held_classes)
    return f"tickets: {accuracy:.1%} of {len(held_texts)} held-out messages right"
