from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.demo import model_folder
from dpo_ray.demo.grammar import reviews
from dpo_ray.demo.tokenizer import train_tokenizer


@given(text=st.text())
def test_any_text_survives_the_round_trip(tokenizer, text):
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_special_tokens_have_their_names(tokenizer):
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["<pad>", "<s>", "</s>"]
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 2)


def test_a_conversation_that_awaits_an_answer_is_a_prefix_of_the_answered_one(tokenizer):
    question = [{"role": "user", "content": "¿Qué tal el café?"}]
    answer = [{"role": "assistant", "content": "Very good."}]
    asked = tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
    answered = tokenizer.apply_chat_template(question + answer, tokenize=False)
    assert asked == "<|im_start|>user\n¿Qué tal el café?<|im_end|>\n<|im_start|>assistant\n"
    assert answered == asked + "Very good.<|im_end|>\n"


def test_learning_again_gives_the_shipped_tokenizer(manifest, tmp_path):
    sizes = manifest["sizes"]
    corpus = islice(reviews(manifest["seed"]), sizes["tokenizer_reviews"])
    train_tokenizer(corpus, sizes["vocabulary"], sizes["longest"]).save_pretrained(tmp_path)
    shipped = (model_folder() / "tokenizer.json").read_text(encoding="utf-8")
    assert (tmp_path / "tokenizer.json").read_text(encoding="utf-8") == shipped
