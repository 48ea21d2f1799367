<?php
/**
 * Plugin Name: WooCommerce (thin stand-in for tests)
 *
 * Only what the companion plugin touches. Sessions live in WordPress's options, so that requests and processes share them.
 */

class WooCommerce {
	public $session;
	public $cart;
	public $customer;
}

function WC() {
	static $store;
	return $store = $store ?? new WooCommerce();
}

add_shortcode( 'woocommerce_checkout', fn() => '<form class="checkout"></form>' );
define( 'WC_VERSION', '10.5.0' );

class WC_Session {
	private $id;
	private $data;

	public function __construct() {
		$cookie   = $_COOKIE['stub_session'] ?? '';
		$this->id = preg_match( '/^t_[0-9a-f]{32}$/', $cookie ) ? $cookie : 't_' . bin2hex( random_bytes( 16 ) );
		if ( is_user_logged_in() ) {
			$guest    = $this->id;
			$this->id = (string) get_current_user_id();
			$data     = get_option( "stub_session_$guest" );
			if ( $data ) { // As WooCommerce does: the account's session becomes the guest's.
				update_option( "stub_session_{$this->id}", $data, false );
				delete_option( "stub_session_$guest" );
				$this->data = $data;
				add_action( 'init', fn() => do_action( 'woocommerce_guest_session_to_user_id', $guest, $this->id ), 1 );
			}
		}
		$this->data = $this->data ?? get_option( "stub_session_{$this->id}", array() );
		add_action( 'shutdown', array( $this, 'save_data' ), 20 );
		$this->set_customer_session_cookie( true );
	}

	public function get( $name ) {
		return $this->data[ $name ] ?? null;
	}

	public function set( $name, $value ) {
		$this->data[ $name ] = $value;
	}

	public function get_customer_id() {
		return $this->id;
	}

	public function set_customer_session_cookie( $set ) {
		if ( $set && ! headers_sent() && ! is_user_logged_in() ) {
			setcookie( 'stub_session', $this->id, 0, '/' );
		}
	}

	public function save_data() {
		update_option( "stub_session_{$this->id}", array_filter( $this->data ), false );
	}
}

class WC_Customer {
	private $data;

	public function __construct() {
		$this->data = WC()->session->get( 'customer' ) ?? array( 'billing_country' => 'DE' );
	}

	public function __call( $name, $given ) {
		list( $verb, $field ) = explode( '_', $name, 2 );
		if ( 'set' === $verb ) {
			$this->data[ $field ] = $given[0];
		}
		return $this->data[ $field ] ?? '';
	}

	public function save() {
		WC()->session->set( 'customer', $this->data );
	}
}

class WC_Product {
	const ALL = array(
		11 => array( 'Trail Mug', '14.50', 'MUG-01' ),
		12 => array( 'Merino Socks &amp; Co', '15.20', 'SOCK-02' ),
		16 => array( 'Ridge Jacket - S', '119.00', 'JKT-S' ),
	);
	public $id;

	public function __construct( $id ) {
		$this->id = $id;
	}

	public function get_name() {
		return self::ALL[ $this->id ][0];
	}

	public function get_price() {
		return self::ALL[ $this->id ][1];
	}

	public function get_sku() {
		return self::ALL[ $this->id ][2];
	}

	public function get_image_id() {
		return 0;
	}

	public function get_max_purchase_quantity() {
		return 12 === $this->id ? 5 : -1;
	}

	public function get_permalink( $item ) {
		return home_url( "/product/{$this->id}/" );
	}
}

class WC_Cart {
	private $items   = array();
	private $coupons = array();

	public function __construct() {
		foreach ( WC()->session->get( 'cart' ) ?? array() as $key => $item ) {
			$this->items[ $key ] = $item + array( 'data' => wc_get_product( $item['variation_id'] ? $item['variation_id'] : $item['product_id'] ) );
		}
		$this->coupons = WC()->session->get( 'coupons' ) ?? array();
	}

	public function add_to_cart( $product, $quantity = 1, $variation_id = 0, $variation = array(), $extra = array() ) {
		$key  = md5( wp_json_encode( array( $product, $variation_id, $variation, $extra ) ) );
		$real = wc_get_product( $variation_id ? $variation_id : $product );
		if ( ! $real || get_option( "stub_gone_$product" ) ) {
			return false;
		}
		$quantity            += $this->items[ $key ]['quantity'] ?? 0;
		$this->items[ $key ]  = $extra + array(
			'key'           => $key,
			'product_id'    => $product,
			'variation_id'  => $variation_id,
			'variation'     => $variation,
			'quantity'      => $quantity,
			'data'          => $real,
			'line_subtotal' => $real->get_price() * $quantity,
		);
		$this->calculate_totals();
		return $key;
	}

	public function remove_cart_item( $key ) {
		unset( $this->items[ $key ] );
		do_action( 'woocommerce_cart_item_removed', $key, $this );
		$this->calculate_totals();
	}

	public function empty_cart() {
		$this->items   = array();
		$this->coupons = array();
		$this->keep();
		do_action( 'woocommerce_cart_emptied', true );
	}

	public function calculate_totals() {
		$this->keep();
		do_action( 'woocommerce_after_calculate_totals', $this );
	}

	private function keep() {
		$items = array();
		foreach ( $this->items as $key => $item ) {
			unset( $item['data'] );
			$items[ $key ] = $item;
		}
		WC()->session->set( 'cart', $items );
		WC()->session->set( 'coupons', $this->coupons );
	}

	public function apply_coupon( $code ) {
		if ( 'expired' === $code ) {
			wc_add_notice( 'This coupon has expired.', 'error' );
			return false;
		}
		$this->coupons[] = $code;
		$this->calculate_totals();
		return true;
	}

	public function has_discount( $code ) {
		return in_array( $code, $this->coupons, true );
	}

	public function get_applied_coupons() {
		return $this->coupons;
	}

	public function get_cart() {
		return $this->items;
	}

	public function get_cart_item( $key ) {
		return $this->items[ $key ] ?? array();
	}

	public function is_empty() {
		return ! $this->items;
	}

	public function display_prices_including_tax() {
		return true;
	}

	public function get_displayed_subtotal() {
		return array_sum( wp_list_pluck( $this->items, 'line_subtotal' ) );
	}

	public function get_discount_total() {
		return $this->coupons ? 5 : 0;
	}

	public function get_discount_tax() {
		return 0;
	}

	public function get_total( $context ) {
		return $this->get_displayed_subtotal() - $this->get_discount_total() + 4.9;
	}
}

class WC_Order {
	private $id;
	public $data;

	public function __construct( $id, $data ) {
		$this->id   = $id;
		$this->data = $data;
	}

	public static function create( $email ) {
		$id    = 1000 + (int) get_option( 'stub_orders' );
		$order = new self( $id, array( 'email' => $email, 'status' => 'pending', 'meta' => array() ) );
		update_option( 'stub_orders', $id - 999 );
		$order->save_meta_data();
		return $order;
	}

	public function get_id() {
		return $this->id;
	}

	public function get_status() {
		return $this->data['status'];
	}

	public function get_billing_email() {
		return $this->data['email'];
	}

	public function get_meta( $name ) {
		return $this->data['meta'][ $name ] ?? '';
	}

	public function update_meta_data( $name, $value ) {
		$this->data['meta'][ $name ] = $value;
	}

	public function save_meta_data() {
		update_option( "stub_order_{$this->id}", $this->data, false );
	}

	public function update_status( $to ) {
		$from                 = $this->data['status'];
		$this->data['status'] = $to;
		$this->save_meta_data();
		if ( $from !== $to ) {
			do_action( 'woocommerce_order_status_changed', $this->id, $from, $to, $this );
		}
	}
}

class WC_AJAX {
	public static function get_endpoint( $name ) {
		return home_url( "/?wc-ajax=$name" );
	}
}

function wc_get_order( $id ) {
	$data = $id ? get_option( "stub_order_$id" ) : null;
	return $data ? new WC_Order( (int) $id, $data ) : false;
}

function wc_get_product( $id ) {
	return isset( WC_Product::ALL[ $id ] ) ? new WC_Product( $id ) : false;
}

function wc_get_logger() {
	return new class() {
		public function error( $message ) {
			error_log( "stub-log: $message" );
		}
	};
}

function get_woocommerce_currency() {
	return 'EUR';
}

function wc_format_decimal( $amount, $decimals ) {
	return number_format( $amount, $decimals, '.', '' );
}

function wc_get_price_decimals() {
	return 2;
}

function wc_get_formatted_cart_item_data( $item ) {
	usleep( 1000 * (int) ( $_SERVER['HTTP_X_SLOW'] ?? 0 ) ); // Reading the cart takes so many milliseconds.
	return isset( $item['variation']['attribute_colour'] ) ? "Colour: {$item['variation']['attribute_colour']}\n" : '';
}

function is_checkout() {
	return is_page( 'checkout' );
}

function is_wc_endpoint_url( $name ) {
	return isset( $_GET[ $name ] );
}

function wc_get_page_id( $page ) {
	$found = get_page_by_path( $page );
	return $found ? $found->ID : -1;
}

function wc_get_checkout_url() {
	return home_url( '/checkout/' );
}

function wc_get_cart_url() {
	return home_url( '/cart/' );
}

function wc_format_coupon_code( $code ) {
	return strtolower( $code );
}

function wc_add_notice( $text, $kind ) {
	WC()->session->set( 'notices', array_merge( WC()->session->get( 'notices' ) ?? array(), array( "$kind: $text" ) ) );
}

function wc_notice_count( $kind ) {
	return count( preg_grep( "/^$kind/", WC()->session->get( 'notices' ) ?? array() ) );
}

// A key pair that may read, as WooCommerce gives them.
add_filter(
	'determine_current_user',
	fn( $user ) => ( $_SERVER['PHP_AUTH_USER'] ?? '' ) === 'ck_test' && ( $_SERVER['PHP_AUTH_PW'] ?? '' ) === 'cs_test' ? 1 : $user,
	15
);
add_filter( 'nonce_user_logged_out', fn( $user, $action ) => 0 === strpos( (string) $action, 'woocommerce' ) ? WC()->session->get_customer_id() : $user, 10, 2 );

add_action(
	'init',
	function () {
		if ( ! empty( $_SERVER['PHP_AUTH_USER'] ) || 'cli' === PHP_SAPI ) {
			return;
		}
		$login = $_POST['stub_login'] ?? '';
		if ( $login ) {
			wp_set_auth_cookie( (int) $login );
			wp_send_json( array( 'user' => (int) $login ) );
		}
		WC()->session  = new WC_Session();
		WC()->customer = new WC_Customer();
		WC()->cart     = new WC_Cart();
	},
	0
);

require __DIR__ . '/shopper.php';
