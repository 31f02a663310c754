// SPDX-License-Identifier: Apache-2.0
// config.json of a model: what is accepted has a possible shape, can be counted and survives being written and read again.
#include "core/base/model_config.h"
#include "tests/fuzz/fuzz.h"

const std::vector<std::string>& fuzz::seeds() {
    static const std::vector<std::string> all = {
        R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":2048,"hidden_size":128,"num_hidden_layers":4,
"num_attention_heads":4,"num_key_value_heads":2,"head_dim":32,"intermediate_size":384,"max_position_embeddings":512,"rms_norm_eps":1e-06,
"rope_theta":10000.0,"rope_parameters":{"rope_type":"default","rope_theta":10000.0},"tie_word_embeddings":true,"hidden_act":"silu",
"bos_token_id":null,"eos_token_id":[2,3],"pad_token_id":0,"attention_bias":false,"mlp_bias":false})",
        R"({"architectures":["LlamaForSequenceClassification"],"model_type":"llama","vocab_size":8,"hidden_size":16,"num_hidden_layers":1,
"num_attention_heads":2,"intermediate_size":4,"max_position_embeddings":9,"num_labels":1,"id2label":{"0":"LABEL_0"},"rope_scaling":null})",
        R"({"model_type":"llama","vocab_size":8,"hidden_size":16,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":4,
"max_position_embeddings":9,"rope_scaling":{"type":"linear","factor":2.0},"sliding_window":4096,"partial_rotary_factor":0.5})",
        R"({"model_type":"mistral","architectures":["MistralForCausalLM"],"vocab_size":8,"hidden_size":16,"num_hidden_layers":2,
"num_attention_heads":2,"num_key_value_heads":1,"intermediate_size":4,"max_position_embeddings":9,"sliding_window":4})",
        R"({"model_type":"qwen2","vocab_size":8,"hidden_size":16,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":2,
"intermediate_size":4,"max_position_embeddings":9,"use_sliding_window":true,"sliding_window":3,"max_window_layers":1,"rope_theta":1e6})",
        R"({"model_type":"qwen3","vocab_size":8,"hidden_size":16,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":2,
"intermediate_size":4,"max_position_embeddings":9,"layer_types":["full_attention","full_attention"],"attention_bias":true,"rope_scaling":
{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":64}})",
        R"({"model_type":"gpt2","vocab_size":8,"n_embd":16,"n_layer":2,"n_head":2,"n_positions":9,"activation_function":"gelu_new",
"scale_attn_weights":true,"scale_attn_by_inverse_layer_idx":true,"tie_word_embeddings":false})",
        R"({"model_type":"mistral"})", "[]"};
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pl;
    const auto json = parseJson(fuzz::view(data, size), "config.json");
    if (!json)
        return 0;
    const auto config = ModelConfig::fromJson(*json, "config.json");
    if (!config) {
        fuzz::expect(!config.error().message.empty());
        return 0;
    }
    fuzz::expect(config->vocabSize > 0 && config->layers > 0 && config->maxPositions > 0 && config->headDim > 0 &&
                 (config->positions == Positions::Learned || config->headDim % 2 == 0) && config->kvHeads > 0 &&
                 config->heads % config->kvHeads == 0);
    fuzz::expect(config->windows.empty() || static_cast<int64_t>(config->windows.size()) == config->layers);
    const float stretched = config->ropeScaling.stretched(0.01F);
    fuzz::expect(stretched > 0 && stretched <= 0.01F);
    fuzz::expect(config->parameterCount() > 0);
    fuzz::expect(config->forwardFlops(10, 5, 10) > 0);
    for (const int64_t id : config->eosTokenIds)
        fuzz::expect(id >= 0 && id < config->vocabSize);
    const Json written = config->toJson();
    const auto again = ModelConfig::fromJson(written, "config.json");
    fuzz::expect(again && again->toJson() == written && again->parameterCount() == config->parameterCount() &&
                 again->eosTokenIds == config->eosTokenIds && again->rewardHead == config->rewardHead);
    ModelConfig fields = *config; // and what is written without an original says the same
    fields.original = Json();
    const auto said = ModelConfig::fromJson(fields.toJson(), "config.json");
    fuzz::expect(said && said->tensorShapes() == config->tensorShapes() && said->windows == config->windows);
    return 0;
}
