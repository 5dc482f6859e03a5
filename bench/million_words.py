"""The words of a made-up hub: names of tags, families of models, and the vocabulary of its cards.

Head and shape are those of the public Hub as its lists show them; everything rare is made of syllables.
"""

from __future__ import annotations

import numpy as np


def listed(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


_HEADS = listed("b c d f g h j k l m n p r s t v w z br ch cr dr fl gr kl pr sh st tr th")
_VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "io", "ou"]
_TAILS = ["", "", "n", "r", "s", "l", "x", "m"]

PROSE = listed(
    "the of and model to for in is on a with this was dataset training by it data used from as be trained "
    "are can language fine tuned evaluation results set version using not more text base information uses "
    "limitations learning task use loss rate accuracy following intended that batch hyperparameters an "
    "size needed procedure license image generation code paper card bias epoch steps precision score "
    "english tokens large open performance released weights inference quantized adapter prompt chat "
    "instruct example python github transformers research speech audio vision segmentation classification "
    "translation summarization retrieval embedding benchmark medical legal finance robotics protein "
    "climate satellite handwriting sentiment multilingual distilled reasoning agent"
)

LICENSES = listed(
    "apache-2.0 mit other openrail creativeml-openrail-m cc-by-nc-4.0 llama2 cc-by-4.0 llama3 "
    "cc-by-sa-4.0 gemma cc-by-nc-sa-4.0 afl-3.0 llama3.1 bigscience-openrail-m unknown cc0-1.0 gpl-3.0 cc "
    "bsd-3-clause llama3.2 artistic-2.0 openrail++ agpl-3.0 bigscience-bloom-rail-1.0 unlicense wtfpl "
    "llama3.3 bigcode-openrail-m apple-amlr bsd gpl cc-by-3.0 c-uda odc-by cc-by-nc-nd-4.0 cc-by-nc-2.0 "
    "bsl-1.0 ecl-2.0 gpl-2.0 lgpl-3.0 ms-pl cc-by-2.0 eupl-1.1 cc-by-nd-4.0 cc-by-nc-3.0 osl-3.0 zlib "
    "cc-by-2.5 isc gfdl odbl pddl lgpl mpl-2.0 epl-2.0 ofl-1.1 postgresql ncsa cdla-permissive-2.0"
)

LANGUAGES = listed(
    "en zh fr es de ja ko pt ru it ar multilingual hi vi id nl tr pl th sv bn fa uk cs fi ro da el hu ta "
    "te ur he ca no bg mr ml sw sk et hr lt sl ms lv gu kn pa sr az ka kk ne si is af eu mk my mn hy am "
    "gl km cy be sq tl yo ha ig zu so uz ps ga la jv su lo eo ky bs tg mt sd xh ku or sa as rw st tn sn "
    "ug nn br ht mg gd yi tt oc lb"
)

PIPELINES = listed(
    "text-generation text-classification text-to-image reinforcement-learning token-classification "
    "automatic-speech-recognition fill-mask feature-extraction image-classification question-answering "
    "sentence-similarity image-text-to-text summarization translation object-detection text-to-speech "
    "image-segmentation audio-classification robotics image-to-text text-to-audio text-to-video "
    "zero-shot-classification video-classification depth-estimation image-feature-extraction "
    "image-to-image tabular-classification multiple-choice mask-generation visual-question-answering "
    "any-to-any text-ranking time-series-forecasting unconditional-image-generation image-to-video "
    "tabular-regression audio-to-audio document-question-answering zero-shot-image-classification "
    "graph-ml text-to-3d image-to-3d table-question-answering audio-text-to-text voice-activity-detection "
    "keypoint-detection zero-shot-object-detection"
)

LIBRARIES = listed(
    "transformers peft diffusers stable-baselines3 sentence-transformers mlx ml-agents timm setfit keras "
    "spacy nemo sample-factory ultralytics espnet fastai open_clip adapter-transformers flair speechbrain "
    "allennlp lerobot gliner sklearn onnx tf-keras paddlenlp fasttext stanza asteroid pyannote-audio "
    "bertopic span-marker coreml executorch litert rl-games joblib fairseq model2vec"
)

ARCHITECTURES = {  # model_type: class of the head that its checkpoints name
    "bert": "BertForSequenceClassification",
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "roberta": "RobertaForMaskedLM",
    "mistral": "MistralForCausalLM",
    "distilbert": "DistilBertForSequenceClassification",
    "t5": "T5ForConditionalGeneration",
    "wav2vec2": "Wav2Vec2ForCTC",
    "gpt2": "GPT2LMHeadModel",
    "xlm-roberta": "XLMRobertaForTokenClassification",
    "whisper": "WhisperForConditionalGeneration",
    "qwen3": "Qwen3ForCausalLM",
    "vit": "ViTForImageClassification",
    "gemma2": "Gemma2ForCausalLM",
    "deberta-v2": "DebertaV2ForSequenceClassification",
    "bart": "BartForConditionalGeneration",
    "phi3": "Phi3ForCausalLM",
    "marian": "MarianMTModel",
    "gemma3": "Gemma3ForConditionalGeneration",
    "electra": "ElectraForPreTraining",
    "albert": "AlbertForMaskedLM",
    "mixtral": "MixtralForCausalLM",
    "vits": "VitsModel",
    "mt5": "MT5ForConditionalGeneration",
    "gpt_neox": "GPTNeoXForCausalLM",
    "falcon": "FalconForCausalLM",
    "qwen2_vl": "Qwen2VLForConditionalGeneration",
    "mpnet": "MPNetModel",
    "modernbert": "ModernBertForMaskedLM",
    "segformer": "SegformerForSemanticSegmentation",
}
WRITERS = (
    "llama",
    "qwen2",
    "mistral",
    "gpt2",
    "qwen3",
    "gemma2",
    "phi3",
    "gemma3",
    "mixtral",
    "gpt_neox",
    "falcon",
)

FAMILIES = listed(
    "bert-base-uncased llama-3-8b-instruct qwen2.5-7b-instruct distilbert-base-uncased "
    "mistral-7b-instruct-v0.2 wav2vec2-large-xlsr-53 t5-small roberta-base whisper-small gpt2 "
    "xlm-roberta-base llama-2-7b-hf qwen3-4b vit-base-patch16-224 gemma-2-9b-it stable-diffusion-v1-5 "
    "sdxl-base-1.0 flux.1-dev deberta-v3-base phi-3-mini bart-large-cnn opus-mt qwen2.5-0.5b "
    "tinyllama-1.1b gemma-3-4b-it mixtral-8x7b mms-300m electra-small mpnet-base qwen2.5-coder-32b "
    "deepseek-r1-distill mt5-base pythia-410m falcon-7b segformer-b0 qwen2-vl-2b modernbert-base"
)

GAMES = [
    "ppo-LunarLander-v2",
    "q-FrozenLake-v1-4x4-noSlippery",
    "q-Taxi-v3",
    "dqn-SpaceInvadersNoFrameskip-v4",
    "Reinforce-CartPole",
    "a2c-PandaReachDense-v3",
    "ppo-Huggy",
    "ppo-SnowballTarget",
    "ppo-Pyramids",
    "rl_course_vizdoom_health_gathering_supreme",
]

APPS = listed(
    "llama.cpp node-llama-cpp vllm lmstudio localai jan atomic-chat backyard jellybox msty recursechat "
    "ollama unsloth docker-model-runner lemonade"
)


def syllables(count: int, *, seed: int, most: int = 4) -> list[str]:
    """Return different words of two to ``most`` syllables."""
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        wanted = count - len(found) + 64
        lengths = rng.integers(2, most + 1, wanted)
        heads = rng.integers(0, len(_HEADS), (wanted, most)).tolist()
        vowels = rng.integers(0, len(_VOWELS), (wanted, most)).tolist()
        tails = rng.integers(0, len(_TAILS), wanted).tolist()
        for length, head, vowel, tail in zip(lengths.tolist(), heads, vowels, tails, strict=True):
            parts = [_HEADS[head[at]] + _VOWELS[vowel[at]] for at in range(length)]
            found["".join(parts) + _TAILS[tail]] = None
    return list(found)[:count]


def vocabulary(count: int, *, seed: int) -> list[str]:
    """Return the words of all cards, the most frequent first."""
    known = dict.fromkeys(PROSE)
    made = [word for word in syllables(count, seed=seed) if word not in known]
    return [*known, *made][:count]
