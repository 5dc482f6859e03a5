"""Which automatic class of transformers loads a model class, and what the class is for.

The regular names tell it by their ends; the irregular ones are listed, as transformers 5 maps them
(``utils/update_metadata.py`` there is how the Hub learns it). A test compares both with the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """What a model class is for, in the Hub's words, and the automatic class that loads it."""

    task: str
    auto_model: str


# Several automatic classes may serve one task, one serves one task, but for images as `AutoModel` has them.
TASKS: Mapping[str, str] = {
    "AutoModel": "feature-extraction",
    "AutoModelForAudioClassification": "audio-classification",
    "AutoModelForAudioFrameClassification": "audio-frame-classification",
    "AutoModelForAudioXVector": "audio-xvector",
    "AutoModelForCTC": "automatic-speech-recognition",
    "AutoModelForCausalLM": "text-generation",
    "AutoModelForDepthEstimation": "depth-estimation",
    "AutoModelForDocumentQuestionAnswering": "document-question-answering",
    "AutoModelForImageClassification": "image-classification",
    "AutoModelForImageSegmentation": "image-segmentation",
    "AutoModelForImageTextToText": "image-text-to-text",
    "AutoModelForImageToImage": "image-to-image",
    "AutoModelForKeypointMatching": "keypoint-matching",
    "AutoModelForMaskGeneration": "mask-generation",
    "AutoModelForMaskedLM": "fill-mask",
    "AutoModelForMultimodalLM": "any-to-any",
    "AutoModelForMultipleChoice": "multiple-choice",
    "AutoModelForNextSentencePrediction": "next-sentence-prediction",
    "AutoModelForObjectDetection": "object-detection",
    "AutoModelForPreTraining": "pretraining",
    "AutoModelForQuestionAnswering": "question-answering",
    "AutoModelForSeq2SeqLM": "text2text-generation",
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForSpeechSeq2Seq": "automatic-speech-recognition",
    "AutoModelForTableQuestionAnswering": "table-question-answering",
    "AutoModelForTextToSpectrogram": "text-to-audio",
    "AutoModelForTextToWaveform": "text-to-audio",
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForVideoClassification": "video-classification",
    "AutoModelForVisualQuestionAnswering": "visual-question-answering",
    "AutoModelForZeroShotImageClassification": "zero-shot-image-classification",
    "AutoModelForZeroShotObjectDetection": "zero-shot-object-detection",
    "AutoModelForVision2Seq": "image-text-to-text",
    "AutoModelForSemanticSegmentation": "image-segmentation",
    "AutoModelForUniversalSegmentation": "image-segmentation",
    "AutoModelForInstanceSegmentation": "image-segmentation",
    "AutoModelForMaskedImageModeling": "pretraining",
}
"""The task of each automatic class, with some that only the configurations of older models name."""

_ENDS: tuple[tuple[str, str], ...] = (
    ("ForCausalLM", "AutoModelForCausalLM"),
    ("LMHeadModel", "AutoModelForCausalLM"),
    ("ForMaskedLM", "AutoModelForMaskedLM"),
    ("ForSequenceClassification", "AutoModelForSequenceClassification"),
    ("ForTokenClassification", "AutoModelForTokenClassification"),
    ("ForQuestionAnswering", "AutoModelForQuestionAnswering"),
    ("ForMultipleChoice", "AutoModelForMultipleChoice"),
    ("ForImageClassification", "AutoModelForImageClassification"),
    ("ForObjectDetection", "AutoModelForObjectDetection"),
    ("ForPreTraining", "AutoModelForPreTraining"),
    ("ForCTC", "AutoModelForCTC"),
    ("ForDepthEstimation", "AutoModelForDepthEstimation"),
    ("ForAudioFrameClassification", "AutoModelForAudioFrameClassification"),
    ("ForXVector", "AutoModelForAudioXVector"),
    ("ForNextSentencePrediction", "AutoModelForNextSentencePrediction"),
    ("ForVideoClassification", "AutoModelForVideoClassification"),
    ("ForAudioClassification", "AutoModelForAudioClassification"),
    ("ForKeypointMatching", "AutoModelForKeypointMatching"),
    ("ForSpeechSeq2Seq", "AutoModelForSpeechSeq2Seq"),
    ("ForImageTextToText", "AutoModelForImageTextToText"),
    ("ForMaskGeneration", "AutoModelForMaskGeneration"),
    ("ForDocumentQuestionAnswering", "AutoModelForDocumentQuestionAnswering"),
    ("ForVisualQuestionAnswering", "AutoModelForVisualQuestionAnswering"),
    ("ForZeroShotObjectDetection", "AutoModelForZeroShotObjectDetection"),
    ("ForZeroShotImageClassification", "AutoModelForZeroShotImageClassification"),
    ("ForImageToImage", "AutoModelForImageToImage"),
    ("ForImageSegmentation", "AutoModelForImageSegmentation"),
    ("ForSemanticSegmentation", "AutoModelForSemanticSegmentation"),
    ("ForUniversalSegmentation", "AutoModelForUniversalSegmentation"),
    ("ForInstanceSegmentation", "AutoModelForInstanceSegmentation"),
    ("ForMaskedImageModeling", "AutoModelForMaskedImageModeling"),
    ("Model", "AutoModel"),
)
_IRREGULAR: Mapping[tuple[str, str], str] = {
    ("any-to-any", "AutoModelForMultimodalLM"): ("Phi4MultimodalForCausalLM"),
    ("audio-classification", "AutoModelForAudioClassification"): (
        "Data2VecAudioForSequenceClassification HubertForSequenceClassification "
        "SEWDForSequenceClassification SEWForSequenceClassification UniSpeechForSequenceClassification "
        "UniSpeechSatForSequenceClassification Wav2Vec2BertForSequenceClassification "
        "Wav2Vec2ConformerForSequenceClassification Wav2Vec2ForSequenceClassification "
        "WavLMForSequenceClassification"
    ),
    ("automatic-speech-recognition", "AutoModelForSpeechSeq2Seq"): (
        "CanaryForConditionalGeneration CohereAsrForConditionalGeneration DiaForConditionalGeneration "
        "FunAsrNanoForConditionalGeneration GraniteSpeechForConditionalGeneration "
        "GraniteSpeechPlusForConditionalGeneration KyutaiSpeechToTextForConditionalGeneration "
        "MoonshineForConditionalGeneration MoonshineStreamingForConditionalGeneration "
        "OmniASRForConditionalGeneration Pop2PianoForConditionalGeneration "
        "Qwen3ASRForConditionalGeneration SeamlessM4TForSpeechToText SeamlessM4Tv2ForSpeechToText "
        "Speech2TextForConditionalGeneration SpeechEncoderDecoderModel SpeechT5ForSpeechToText "
        "VibeVoiceAsrForConditionalGeneration VoxtralForConditionalGeneration "
        "VoxtralRealtimeForConditionalGeneration WhisperForConditionalGeneration"
    ),
    ("document-question-answering", "AutoModelForDocumentQuestionAnswering"): (
        "LayoutLMForQuestionAnswering LayoutLMv2ForQuestionAnswering LayoutLMv3ForQuestionAnswering"
    ),
    ("feature-extraction", "AutoModel"): (
        "AudioFlamingo3Encoder BertGenerationEncoder ClvpModelForConditionalGeneration DPRQuestionEncoder "
        "FunAsrNanoEncoder Gemma3nAudioEncoder GlmAsrEncoder GlmImageVQVAE GraniteSpeech5Encoder "
        "HGNetV2Backbone HunYuanVLVisionTransformer Idefics3VisionTransformer LasrEncoder "
        "MgpstrForSceneTextRecognition Nemotron3_5AsrForRNNT NemotronAsrStreamingEncoder "
        "NemotronAsrStreamingForRNNT ParakeetEncoder ParakeetForRNNT ParakeetForTDT PeAudioEncoder "
        "PeAudioVideoEncoder PeVideoEncoder Qwen2AudioEncoder Qwen3ASREncoder SmolVLMVisionTransformer "
        "T5Gemma2Encoder VoxtralEncoder VoxtralRealtimeEncoder"
    ),
    ("fill-mask", "AutoModelForMaskedLM"): ("FlaubertWithLMHeadModel XLMWithLMHeadModel"),
    ("image-classification", "AutoModelForImageClassification"): (
        "DeiTForImageClassificationWithTeacher LevitForImageClassificationWithTeacher "
        "PerceiverForImageClassificationConvProcessing PerceiverForImageClassificationFourier "
        "PerceiverForImageClassificationLearned"
    ),
    ("image-feature-extraction", "AutoModel"): (
        "Aimv2VisionModel BeitModel BitModel Cohere2VisionModel ConditionalDetrModel ConvNextModel "
        "ConvNextV2Model DINOv3ConvNextModel DINOv3ViTModel DPTModel DabDetrModel Data2VecVisionModel "
        "DeformableDetrModel DeiTModel DepthProModel DetrModel DinatModel Dinov2Model "
        "Dinov2WithRegistersModel EfficientNetModel FocalNetModel GLPNModel HieraModel IJepaModel "
        "ImageGPTModel LevitModel Llama4VisionModel MLCDVisionModel MllamaVisionModel MobileNetV1Model "
        "MobileNetV2Model MobileViTModel MobileViTV2Model PixioModel PoolFormerModel PvtModel RegNetModel "
        "ResNetModel SegformerModel SiglipVisionModel SwiftFormerModel Swin2SRModel SwinModel Swinv2Model "
        "TableTransformerModel TimesformerModel TimmBackbone TimmWrapperModel Tipsv2VisionModel "
        "ViTMAEModel ViTMSNModel ViTModel VideoMAEModel VideoPrismVisionModel VitDetModel VivitModel "
        "YolosModel"
    ),
    ("image-segmentation", "AutoModelForImageSegmentation"): ("DetrForSegmentation"),
    ("image-text-to-text", "AutoModelForImageTextToText"): (
        "Apertus1p5ForConditionalGeneration AriaForConditionalGeneration "
        "AyaVisionForConditionalGeneration BlipForConditionalGeneration ChameleonForConditionalGeneration "
        "Cohere2VisionForConditionalGeneration CohereCompassForConditionalGeneration "
        "Cosmos3EdgeForConditionalGeneration Cosmos3OmniForConditionalGeneration "
        "DeepseekOcr2ForConditionalGeneration DeepseekVLForConditionalGeneration "
        "DeepseekVLHybridForConditionalGeneration DiffusionGemmaForBlockDiffusion "
        "Dots3NoteForConditionalGeneration Emu3ForConditionalGeneration "
        "Ernie4_5_VLMoeForConditionalGeneration EvollaForProteinText2Text "
        "Exaone4_5_ForConditionalGeneration FastVlmForConditionalGeneration "
        "Florence2ForConditionalGeneration FuyuForCausalLM Gemma3ForConditionalGeneration "
        "Gemma3nForConditionalGeneration Gemma4ForConditionalGeneration "
        "Gemma4UnifiedForConditionalGeneration GitForCausalLM Glm46VForConditionalGeneration "
        "Glm4vForConditionalGeneration Glm4vMoeForConditionalGeneration Glm5NextForConditionalGeneration "
        "GlmOcrForConditionalGeneration GotOcr2ForConditionalGeneration "
        "Granite4VisionForConditionalGeneration GraniteDoclingForConditionalGeneration "
        "HYV4VLForConditionalGeneration HunYuanVLForConditionalGeneration "
        "HyperCLOVAXVisionV2ForConditionalGeneration Idefics2ForConditionalGeneration "
        "Idefics3ForConditionalGeneration IdeficsForVisionText2Text Inkling2ForConditionalGeneration "
        "Inkling2LoopForConditionalGeneration InklingForConditionalGeneration "
        "InstructBlipForConditionalGeneration InstructBlipVideoForConditionalGeneration "
        "InternVLForConditionalGeneration JanusForConditionalGeneration Kimi_K25ForConditionalGeneration "
        "Kosmos2ForConditionalGeneration Kosmos2_5ForConditionalGeneration Lfm2VlForConditionalGeneration "
        "Lfm3VlForConditionalGeneration LightOnOcrForConditionalGeneration Llama4ForConditionalGeneration "
        "LlavaForConditionalGeneration LlavaNextForConditionalGeneration "
        "LlavaNextVideoForConditionalGeneration LlavaOnevisionForConditionalGeneration "
        "MiniCPMOcrForConditionalGeneration MiniCPMV4_6ForConditionalGeneration "
        "MiniCPMV4_7ForConditionalGeneration MiniMaxM3SparseForConditionalGeneration "
        "Mistral3ForConditionalGeneration Mistral4ForCausalLM MistralLarge4ForConditionalGeneration "
        "MllamaForConditionalGeneration Molmo2ForConditionalGeneration "
        "MuseGlimmerForConditionalGeneration MuseSparkForConditionalGeneration "
        "NemotronH_Omni_Reasoning_V3 Ovis2ForConditionalGeneration PI0ForConditionalGeneration "
        "PPFormulaNetForConditionalGeneration PaddleOCRVLForConditionalGeneration "
        "PaliGemmaForConditionalGeneration PerceptionLMForConditionalGeneration "
        "Pix2StructForConditionalGeneration QianfanOCRForConditionalGeneration "
        "Qwen2VLForConditionalGeneration Qwen2_5OmniThinkerForConditionalGeneration "
        "Qwen2_5_VLForConditionalGeneration Qwen3OmniMoeThinkerForConditionalGeneration "
        "Qwen3VLForConditionalGeneration Qwen3VLMoeForConditionalGeneration "
        "Qwen3_5ForConditionalGeneration Qwen3_5MoeForConditionalGeneration "
        "Qwen4ExpForConditionalGeneration SmolVLMForConditionalGeneration Step3p7ForConditionalGeneration "
        "UdopForConditionalGeneration UnlimitedOcrForConditionalGeneration "
        "VideoLlama3ForConditionalGeneration VideoLlavaForConditionalGeneration "
        "VipLlavaForConditionalGeneration VisionEncoderDecoderModel"
    ),
    ("image-to-image", "AutoModelForImageToImage"): ("Swin2SRForImageSuperResolution"),
    ("mask-generation", "AutoModelForMaskGeneration"): (
        "EdgeTamModel Sam2Model Sam3TrackerModel SamHQModel SamModel"
    ),
    ("pretraining", "AutoModelForPreTraining"): (
        "ColModernVBertForRetrieval ColPaliForRetrieval ColQwen2ForRetrieval"
    ),
    ("question-answering", "AutoModelForQuestionAnswering"): (
        "FlaubertForQuestionAnsweringSimple XLMForQuestionAnsweringSimple XLNetForQuestionAnsweringSimple"
    ),
    ("table-question-answering", "AutoModelForTableQuestionAnswering"): ("TapasForQuestionAnswering"),
    ("text-generation", "AutoModelForCausalLM"): ("BertGenerationDecoder ReformerModelWithLMHead"),
    ("text-to-audio", "AutoModelForTextToSpectrogram"): ("FastSpeech2ConformerModel SpeechT5ForTextToSpeech"),
    ("text-to-audio", "AutoModelForTextToWaveform"): (
        "BarkModel CsmForConditionalGeneration FastSpeech2ConformerWithHifiGan "
        "GradiumPhononTTSForConditionalGeneration HiggsAudioV2ForConditionalGeneration "
        "MusicgenForConditionalGeneration MusicgenMelodyForConditionalGeneration "
        "PocketTTSForConditionalGeneration Qwen2_5OmniForConditionalGeneration "
        "Qwen3OmniMoeForConditionalGeneration SeamlessM4TForTextToSpeech SeamlessM4Tv2ForTextToSpeech "
        "VibeVoiceForConditionalGeneration VitsModel"
    ),
    ("text2text-generation", "AutoModelForSeq2SeqLM"): (
        "AudioFlamingo3ForConditionalGeneration BartForConditionalGeneration "
        "BigBirdPegasusForConditionalGeneration BlenderbotForConditionalGeneration "
        "BlenderbotSmallForConditionalGeneration EncoderDecoderModel FSMTForConditionalGeneration "
        "GlmAsrForConditionalGeneration LEDForConditionalGeneration LongT5ForConditionalGeneration "
        "M2M100ForConditionalGeneration MBartForConditionalGeneration MT5ForConditionalGeneration "
        "MarianMTModel MossTranscribeDiarizeForConditionalGeneration "
        "MusicFlamingoForConditionalGeneration MvpForConditionalGeneration "
        "Nemotron3_5TranscribeForConditionalGeneration NllbMoeForConditionalGeneration "
        "PLBartForConditionalGeneration PegasusForConditionalGeneration PegasusXForConditionalGeneration "
        "ProphetNetForConditionalGeneration Qwen2AudioForConditionalGeneration SeamlessM4TForTextToText "
        "SeamlessM4Tv2ForTextToText SwitchTransformersForConditionalGeneration T5ForConditionalGeneration "
        "T5Gemma2ForConditionalGeneration T5GemmaForConditionalGeneration UMT5ForConditionalGeneration"
    ),
    ("visual-question-answering", "AutoModelForVisualQuestionAnswering"): (
        "Blip2ForConditionalGeneration BlipForQuestionAnswering ViltForQuestionAnswering"
    ),
    ("zero-shot-image-classification", "AutoModelForZeroShotImageClassification"): (
        "AlignModel AltCLIPModel Blip2ForImageTextRetrieval BlipModel CLIPModel CLIPSegModel "
        "ChineseCLIPModel MetaClip2Model Siglip2Model SiglipModel Tipsv2Model VideoPrismClipModel"
    ),
    ("zero-shot-object-detection", "AutoModelForZeroShotObjectDetection"): (
        "GroundingDinoForObjectDetection MMGroundingDinoForObjectDetection OmDetTurboForObjectDetection "
        "OwlViTForObjectDetection Owlv2ForObjectDetection"
    ),
}
_HEADS: Mapping[str, Head] = {
    name: Head(task, auto) for (task, auto), names in _IRREGULAR.items() for name in names.split()
}

_PROCESSORS: Mapping[str, str] = {
    "AutoProcessor": (
        "aimv2 align altclip apertus1p5 aria audioflamingo3 aya_vision bark blip blip-2 bridgetower bros "
        "canary chameleon chinese_clip clap clip clipseg clvp cohere2_vision cohere_asr cohere_compass "
        "colmodernvbert colpali colqwen2 cosmos3_edge csm deepseek_ocr2 deepseek_vl deepseek_vl_hybrid "
        "dia diffusion_gemma dots3_note edgetam embedding_gemma2 emu3 ernie4_5_vl_moe evolla exaone4_5 "
        "flava florence2 fun_asr_nano fuyu gemma3 gemma3n gemma4 gemma4_unified git glm46v glm4v "
        "glm4v_moe glm5_next glm_image glmasr got_ocr2 gradium_phonon_tts granite4_vision granite_docling "
        "granite_speech granite_speech5_ctc granite_speech_plus grounding-dino groupvit higgs_audio_v2 "
        "hubert hunyuan_vl hy_v4_vl hyperclovax_vision_v2 idefics idefics2 idefics3 inkling2 "
        "inkling2_loop inkling_mm_model instructblip instructblipvideo internvl janus kimi_k25 "
        "kyutai_speech_to_text lasr_ctc lasr_encoder layoutlmv2 layoutlmv3 layoutxlm lfm2_vl lfm3_vl "
        "lighton_ocr llama4 llava llava_next llava_next_video llava_onevision markuplm metaclip_2 mgp-str "
        "minicpm_ocr minicpmv4_6 minicpmv4_7 minimax_m3_vl mistral3 mistral_large4 mllama "
        "mm-grounding-dino modernvbert molmo2 moonshine moonshine_streaming moss_transcribe_diarize "
        "muse_glimmer muse_spark musicflamingo musicgen musicgen_melody nemo_speechlm nemotron3_5_asr "
        "nemotron3_diarization nemotron_asr_streaming nemotron_h_omni neomme nougat omdet-turbo omniasr "
        "omniasr_ctc oneformer ovis2 owlv2 owlvit paddleocr_vl paligemma parakeet_ctc parakeet_rnnt "
        "parakeet_tdt pe_audio pe_audio_video pe_video perception_lm phi4_multimodal pi0 pix2struct "
        "pixtral pocket_tts pop2piano pp_chart2table pp_formulanet qianfan_ocr qwen2_5_omni qwen2_5_vl "
        "qwen2_audio qwen2_vl qwen3_5 qwen3_5_moe qwen3_asr qwen3_omni_moe qwen3_vl qwen3_vl_moe "
        "qwen4_exp sam sam2 sam2_video sam3 sam3_lite_text sam3_tracker sam3_tracker_video sam3_video "
        "sam_hq seamless_m4t sew sew-d shieldgemma2 siglip siglip2 smolvlm speech_to_text speecht5 "
        "step3p7 t5gemma2 t5gemma2_encoder tipsv2 trocr tvp udop ultravbert unispeech unispeech-sat "
        "unlimited_ocr vibevoice vibevoice_asr video_llama_3 video_llava videoprism vilt vipllava "
        "vision-text-dual-encoder voxtral voxtral_realtime wav2vec2 wav2vec2-bert wav2vec2-conformer "
        "wavlm whisper"
    ),
    "AutoImageProcessor": (
        "aimv2_vision_model beit bit chmv2 conditional_detr convnext convnextv2 cvt data2vec-vision "
        "deformable_detr deimv2 deit depth_anything depth_pro detr dinat dinov2 dinov3_vit donut-swin dpt "
        "efficientloftr efficientnet eomt eomt_dinov3 focalnet glmga glpn hiera ijepa imagegpt kosmos-2.5 "
        "levit lightglue lw_detr mask2former maskformer mlcd mobilenet_v1 mobilenet_v2 mobilevit "
        "mobilevitv2 pixio poolformer pp_doclayout_v2 pp_doclayout_v3 pp_doclayout_v4 pp_lcnet "
        "pp_ocrv5_mobile_det pp_ocrv5_mobile_rec pp_ocrv5_server_det pp_ocrv5_server_rec "
        "pp_ocrv6_medium_det pp_ocrv6_small_det pp_ocrv6_small_rec pp_ocrv6_tiny_rec "
        "prompt_depth_anything pvt pvt_v2 regnet resnet rf_detr rt_detr sapiens2 segformer seggpt slanet "
        "slanext superglue superpoint swiftformer swin swin2sr swinv2 table-transformer textnet "
        "timesformer timm_wrapper tipsv2_dpt upernet uvdoc videomae vit vit_mae vit_msn vitmatte vitpose "
        "vivit yolos zoedepth"
    ),
    "AutoFeatureExtractor": (
        "audio-spectrogram-transformer dac encodec granite_speech5_encoder higgs_audio_v2_tokenizer mimi "
        "moshi nemotron_asr_streaming_encoder neucodec parakeet_encoder pocket_tts_audio_tokenizer "
        "univnet vibevoice_acoustic_tokenizer wavtokenizer xcodec xcodec2"
    ),
}
_PROCESSOR_OF: Mapping[str, str] = {
    model_type: processor for processor, names in _PROCESSORS.items() for model_type in names.split()
}


def head_of(class_name: str) -> Head | None:
    """Return what a model class is for, None where its name does not tell."""
    found = _HEADS.get(class_name)
    if found is not None:
        return found
    for end, auto in _ENDS:
        if class_name.endswith(end):
            return Head(TASKS[auto], auto)
    return None


def processor_of(model_type: str) -> str:
    """Return the automatic class that prepares a model's inputs; most models read text."""
    return _PROCESSOR_OF.get(model_type, "AutoTokenizer")
