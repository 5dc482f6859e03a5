"""The cards and configurations of the demonstration's repositories, as text. Pure."""

from __future__ import annotations

import json
from textwrap import dedent

HIDDEN, INNER, LAYERS, WORDS = 64, 176, 4, 1024


def config(**facts: object) -> bytes:
    """Return a configuration file."""
    return json.dumps(facts, indent=2).encode() + b"\n"


def llama_config(**more: object) -> bytes:
    """Return the configuration of the tiny language model."""
    return config(
        **{
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": HIDDEN,
            "intermediate_size": INNER,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 2048,
            "vocab_size": WORDS,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
        }
        | more
    )


def tokenizer_config(**more: object) -> bytes:
    """Return the configuration of the tiny model's tokenizer."""
    return config(tokenizer_class="PreTrainedTokenizerFast", eos_token="</s>", bos_token="<s>", **more)


def card(text: str) -> bytes:
    """Return a card without the indentation it has here."""
    return dedent(text).lstrip("\n").encode()


CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}</s>{% endfor %}<|assistant|>"
)

TINY_LM = card("""
    ---
    license: apache-2.0
    language:
    - en
    - nb
    pipeline_tag: text-generation
    library_name: transformers
    datasets:
    - fjord-labs/harbour-reports
    tags:
    - tiny
    - education
    model-index:
    - name: fjord-tiny-lm
      results:
      - task:
          type: text-generation
        dataset:
          name: Harbour reports
          type: fjord-labs/harbour-reports
          split: test
        metrics:
        - type: perplexity
          value: 14.2
          name: Perplexity
        - type: accuracy
          value: 0.613
          name: Next word
    ---
    # Fjord Tiny LM

    A language model of **331 thousand parameters** that writes harbour reports. It fits into the cache of a
    processor, trains in four minutes on a laptop, and every tensor of it can be looked at in the *Files* tab.

    It is meant for teaching, for testing pipelines, and for finding out what a hub can do.

    ## Use

    ```python
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained("fjord-labs/fjord-tiny-lm")
    print(model.num_parameters())
    ```

    ## How it was made

    | | |
    |---|---|
    | Architecture | Llama, 4 layers, hidden size 64 |
    | Vocabulary | 1,024 pieces |
    | Data | [harbour-reports](/datasets/fjord-labs/harbour-reports), 2,000 rows |
    | Optimizer | AdamW, cosine decay |
    | Hardware | one laptop, four minutes |

    The loss of a sequence is the mean over its words,

    $$\\mathcal{L} = -\\frac{1}{N} \\sum_{i=1}^{N} \\log p(w_i \\mid w_{<i})$$

    and perplexity is its exponential[^1].

    ## Limits

    - It knows eight harbours and nothing else.
    - It is **not** a source of facts about shipping.

    > Small models are to machine learning what model railways are to engineers.

    [^1]: Measured on the test split, 400 rows.
    """)

TINY_CHAT = card("""
    ---
    license: apache-2.0
    language: en
    pipeline_tag: text-generation
    library_name: transformers
    base_model: fjord-labs/fjord-tiny-lm
    base_model_relation: finetune
    datasets:
    - fjord-labs/harbour-reports
    tags:
    - conversational
    - tiny
    ---
    # Fjord Tiny LM Chat

    The [tiny language model](/fjord-labs/fjord-tiny-lm), taught to answer questions about harbour reports.

    ```python
    from transformers import pipeline

    ask = pipeline("text-generation", "fjord-labs/fjord-tiny-lm-chat")
    ask([{"role": "user", "content": "When did the Havørn reach Bergen?"}])
    ```

    Trained on 600 questions and answers that were written from the reports by hand.
    """)

TINY_GGUF = card("""
    ---
    license: apache-2.0
    base_model: fjord-labs/fjord-tiny-lm-chat
    base_model_relation: quantized
    pipeline_tag: text-generation
    tags:
    - gguf
    - tiny
    ---
    # Fjord Tiny LM Chat, GGUF

    For llama.cpp and everything built on it.

    | File | Bits | Size |
    |---|---:|---:|
    | `fjord-tiny-lm-chat.Q8_0.gguf` | 8 | 0.4 MB |
    """)

TRIPLETS = card("""
    ---
    license: mit
    base_model: fjord-labs/fjord-tiny-lm
    library_name: peft
    pipeline_tag: text-generation
    tags:
    - lora
    ---
    # Recipes, an adapter

    Makes the tiny language model write recipes for fish soup. Rank 8, on `q_proj` and `v_proj`.
    """)

SENTIMENT = card("""
    ---
    license: mit
    language: [en, es]
    pipeline_tag: text-classification
    library_name: transformers
    datasets:
    - amina/coffee-diary
    metrics:
    - accuracy
    - f1
    model-index:
    - name: sentiment-mini
      results:
      - task: {type: text-classification}
        dataset: {name: Coffee diary, type: amina/coffee-diary}
        metrics:
        - {type: accuracy, value: 0.874}
        - {type: f1, value: 0.861}
    ---
    # Sentiment Mini

    Tells whether a note about a cup of coffee is happy. Three labels, two layers, and an honest table:

    | Label | Precision | Recall |
    |---|---:|---:|
    | happy | 0.91 | 0.89 |
    | so-so | 0.79 | 0.74 |
    | sad | 0.86 | 0.90 |

    ```python
    from transformers import pipeline

    pipeline("text-classification", "mateo/sentiment-mini")("bright, citrus, would brew again")
    ```
    """)

BIRD_VIT = card("""
    ---
    license: cc-by-4.0
    pipeline_tag: image-classification
    library_name: transformers
    datasets:
    - ada/garden-birds
    tags:
    - vision
    ---
    # Garden Bird ViT

    Recognises robins, blue tits and blackbirds at a feeder. Kept in two shards, to show that they are read as one.

    ![A robin](sample.png)

    Trained on [garden-birds](/datasets/ada/garden-birds): 36 pictures, so do not expect miracles.
    """)

KANA_OCR = card("""
    ---
    license: other
    license_name: research-only
    license_link: LICENSE
    language: ja
    pipeline_tag: image-to-text
    library_name: transformers
    extra_gated_heading: Tell us what you will use it for
    extra_gated_description: The writers gave their hands for research. Requests are read every week.
    extra_gated_button_content: Ask for access
    extra_gated_fields:
      Institution: text
      Country: country
      Purpose:
        type: select
        options: [Research, Teaching, Other]
      I will not try to recognise the writers: checkbox
    ---
    # Kana OCR

    Reads handwritten hiragana. Access is given to people, one by one.
    """)

HARBOUR = card("""
    ---
    license: cc0-1.0
    language: en
    task_categories:
    - text-generation
    - tabular-regression
    size_categories:
    - 1K<n<10K
    pretty_name: Harbour reports
    tags:
    - shipping
    - synthetic
    configs:
    - config_name: default
      data_files:
      - split: train
        path: data/train-00000-of-00001.parquet
      - split: test
        path: data/test-00000-of-00001.parquet
    ---
    # Harbour reports

    2,400 arrivals of ships that do not exist in harbours that do: who came, with what, how late, and one sentence.

    | Column | Type | |
    |---|---|---|
    | `day` | date | of the arrival |
    | `port`, `ship`, `cargo` | text | |
    | `tonnes` | float | log-normal |
    | `delay_minutes` | integer | more in gale and fog |
    | `text` | text | all of it in words |

    ```python
    from datasets import load_dataset

    reports = load_dataset("fjord-labs/harbour-reports", split="train")
    ```
    """)

COFFEE = card("""
    ---
    license: cc-by-sa-4.0
    language: en
    task_categories:
    - text-classification
    pretty_name: Coffee diary
    ---
    # Coffee diary

    Two cups a day for eight months: bean, method, grams, seconds, a score and a word. One CSV file.
    """)

BIRDS = card("""
    ---
    license: cc-by-4.0
    task_categories:
    - image-classification
    pretty_name: Garden birds
    tags:
    - images
    ---
    # Garden birds

    Three kinds of birds at a feeder, twelve pictures of each, with the length of the wing in `metadata.csv`.

    ```python
    from datasets import load_dataset

    birds = load_dataset("ada/garden-birds", split="train")
    ```
    """)

KANA = card("""
    ---
    license: other
    language: ja
    task_categories:
    - image-to-text
    ---
    # Kana strokes

    500 signs as strokes on a grid of 64 by 64, one JSON object a line.
    """)

SPACE = card("""
    ---
    title: Is this coffee happy?
    emoji: ☕
    colorFrom: yellow
    colorTo: red
    sdk: static
    pinned: true
    models:
    - mateo/sentiment-mini
    datasets:
    - amina/coffee-diary
    ---
    # Is this coffee happy?

    Write down what you taste, and the smallest model of this hub says what it makes of it. The page is plain HTML: the
    model has been asked beforehand, for the forty notes that people write most.

    | Note | It says |
    |---|---|
    | bright, citrus | happy |
    | fine, a little flat | so-so |
    | burnt, and cold | sad |
    """)

SPACE_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Is this coffee happy?</title>
<link rel="stylesheet" href="style.css">
<h1>Is this coffee happy?</h1>
<form><label>A note on your cup <input name="note" value="bright, citrus"></label> <button>Ask</button></form>
<p><output>happy</output></p>
</html>
"""

SPACE_STYLE = b"body { font: 1.1rem/1.6 system-ui; max-width: 40rem; margin: 4rem auto; }\n"

TIDE_SPACE = card("""
    ---
    title: Tide table
    emoji: 🌊
    colorFrom: blue
    colorTo: indigo
    sdk: static
    datasets:
    - fjord-labs/harbour-reports
    ---
    # Tide table

    High and low water of the eight harbours of the reports, for one day. It is a static space: HTML and a style sheet,
    served as they were committed.

    ## Where the numbers come from

    Nobody measured them. Each harbour has one curve,

    $$h(t) = m + a \\cos\\left(\\frac{2\\pi (t - t_0)}{12.42}\\right)$$

    with the mean $m$, the range $2a$ and the hour $t_0$ of the first high water, chosen so that the ships of the reports
    could have come in. **Do not sail by it.**
    """)

TIDE_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Tide table</title>
<link rel="stylesheet" href="style.css">
<h1>Tide table</h1>
<table>
<tr><th>Harbour<th>High<th>Low<th>High<th>Low
<tr><td>Aberdeen<td>02:10<td>08:23<td>14:35<td>20:48
<tr><td>Bergen<td>04:31<td>10:44<td>16:56<td>23:09
<tr><td>Brest<td>03:42<td>09:55<td>16:07<td>22:20
<tr><td>Esbjerg<td>03:05<td>09:18<td>15:30<td>21:43
<tr><td>Gda&#324;sk<td>00:48<td>07:01<td>13:13<td>19:26
<tr><td>Porto<td>04:12<td>10:25<td>16:37<td>22:50
<tr><td>Tallinn<td>00:17<td>06:30<td>12:42<td>18:55
<tr><td>Trondheim<td>05:01<td>11:14<td>17:26<td>23:39
</table>
</html>
"""
